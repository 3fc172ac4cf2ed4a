"""The month package: one file from which the bureau proves and pays a month."""
