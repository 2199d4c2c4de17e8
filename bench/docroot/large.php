<?php
// Two megabytes in pieces, for readers that take their time.
for ($i = 0; $i < 32; $i++) {
    echo str_repeat('x', 65536);
}
