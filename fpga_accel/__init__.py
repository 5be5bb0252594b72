"""What users touch: sessions, devices, builds, the command line."""
