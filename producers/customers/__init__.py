"""Everything that is known of customers beside their contacts: canonical ids and a directory."""
