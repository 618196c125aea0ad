"""The rules: policies, calendars, taxonomy, templates, teams and surveys, and their versions in the topic `rules`."""
