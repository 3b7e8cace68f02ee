"""`manage.py serve` whose supervisor starts again at once what falls over: a test kills the same part every few seconds.

As people run it, a part that fell several times within a minute is given up to half a minute of rest.
"""

import manage
from connector.runtime.installation import supervisor

if __name__ == "__main__":
    supervisor.MAX_PAUSE = 0.5
    manage.main()
