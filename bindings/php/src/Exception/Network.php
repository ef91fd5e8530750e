<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** DNS, connect, reset, closed early. */
final class Network extends TokenManagerException
{
}
