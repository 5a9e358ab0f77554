"""Who may do what: roles, actions and the matrix between them, as data."""
