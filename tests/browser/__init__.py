"""Real pages in a real Chromium, against the real local suite and real Python processes."""
