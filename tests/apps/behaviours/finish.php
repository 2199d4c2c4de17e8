<?php
echo 'answer';
fastcgi_finish_request();
echo 'never seen';
for ($i = 0; $i < 3000 && !file_exists($_GET['gate']); $i++) { usleep(10000); clearstatcache(); }
file_put_contents($_GET['gate'] . '.done', 'work after the answer');
