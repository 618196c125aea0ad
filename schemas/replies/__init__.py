"""What helps agents to answer: advice on the wording of a reply, and prewritten answers. Pure; `followed` reads files."""
