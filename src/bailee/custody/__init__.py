"""Where content is, under which key: sealing, journals, segments, the keeper, opening."""
