"""The stages, as Faust agents: gather a batch, let the pure core decide, let the engine apply."""
