"""Why content is kept: a pure function from facts to a decision with reasons. No I/O."""
