"""Data only: what each supported release of the Triton models declares, one JSON file per release."""
