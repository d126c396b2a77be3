"""Pages for people who would rather look than read JSON: rendered here, served by the query service."""
