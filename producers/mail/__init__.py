"""E-mail: parsed once by `parse`, everything else works on its `Mail`. Pure."""
