"""The value-irritant matrix: what each reason to contact us costs, as a table and as a picture."""
