"""The data catalogue (C01): every stored thing, why, how long, where and under which key."""
