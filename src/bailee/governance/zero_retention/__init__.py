"""Applications for zero retention and modified monitoring: a rule assesses, a person decides."""
