"""The settings, section by section, as types that refuse what makes no sense."""
