<?php
/* Without session_start(): nothing of another request's session may be here. */
header('Content-Type: application/json');
echo json_encode(['session' => $_SESSION ?? null, 'id' => session_id(), 'status' => session_status()]);
