"""What makes the documentation's site out of ``docs/``, of Markdown that lies elsewhere, and of the code."""
