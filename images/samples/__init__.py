"""Sample pictures worth zooming into, computed: the same bytes of detail on every machine, without any download."""
