<?php
// Added to the generated settings, so that a copy of the wiki works wherever it lies and whatever port it gets.
$wgServer = 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost');
$wgCacheDirectory = __DIR__ . '/cache';
$wgUploadDirectory = __DIR__ . '/images';
$wgArticlePath = '/wiki/$1';
$wgUsePathInfo = true;
$wgEnableEmail = false;
$wgJobRunRate = 0;
$wgPingback = false;
$wgShowExceptionDetails = true;
