"""Proofs of units of the core, by bounded model checking and by induction: what ``make formal`` runs."""
