"""The keeper: the keyring, what is destroyed in it, and who may have what opened."""
