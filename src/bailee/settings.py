"""Settings: parsed once, from weak to strong: defaults, one TOML file, environment, flags."""
