"""The webhook endpoints: one file for each service or kind of sender."""
