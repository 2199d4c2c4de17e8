<?php
http_response_code(404);
echo 'no such document';
