"""Prequential evaluation: does the core beat every baseline, on data it has never seen, clean and under attack?"""
