<?php

namespace App\Service;

use Symfony\Contracts\Service\ResetInterface;

/** Counts within one request; `reset` is what makes that true in worker mode. */
class Tally implements ResetInterface
{
    private static int $served = 0;
    private int $count = 0;

    public function add(): int
    {
        return ++$this->count;
    }

    /** Counts since PHP booted the application, so more than 1 only in worker mode. */
    public function served(): int
    {
        return ++self::$served;
    }

    public function reset(): void
    {
        $this->count = 0;
    }
}
