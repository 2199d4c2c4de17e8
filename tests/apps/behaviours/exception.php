<?php
echo 'half a page';
throw new RuntimeException('on purpose');
