"""Which facts decisions were made from, counted without content, to try drafts of the policy on."""
