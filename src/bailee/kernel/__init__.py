"""Values that every layer shares: identifiers, instants, errors, redacted content. No I/O."""
