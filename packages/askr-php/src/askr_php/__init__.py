"""PHP as a library: Askr's SAPI, template and workers."""
