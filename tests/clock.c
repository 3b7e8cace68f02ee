/* A clock that runs as far ahead of the machine's, or behind it, as TEST_CLOCK_OFFSET says in whole seconds.

   Loaded into every process of a test run by LD_PRELOAD (tests/clock.py), so that all of them agree: Python, PostgreSQL,
   Valkey, node, the browser. Only the wall clock moves. Monotonic clocks, timeouts and the times of files stay as they are, and deadlines
   that a caller states in wall-clock time are moved back before the kernel sees them.

   Not libfaketime: that keeps locks in memory that all processes share, and a process killed while it holds one stops every other.
   Here nothing is shared and nothing is locked. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t offset;
static int (*machine_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *given = getenv("TEST_CLOCK_OFFSET");
    offset = given ? strtoll(given, NULL, 10) : 0;
    machine_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

static int is_wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = machine_clock ? machine_clock(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && is_wall(clock)) now->tv_sec += offset;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}

static struct timespec back(const struct timespec *deadline) {
    struct timespec moved = *deadline;
    moved.tv_sec -= offset;
    return moved;
}

/* The next definition of the function, the C library's own. `version` is for names of which it has an older one beside. */
static void *next(const char *name, const char *version) {
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    return found ? found : dlsym(RTLD_NEXT, name);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    static int (*machine)(sem_t *, const struct timespec *);
    struct timespec moved = back(deadline);
    if (!machine) machine = (int (*)(sem_t *, const struct timespec *))next("sem_timedwait", NULL);
    return machine(semaphore, &moved);
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict deadline) {
    static int (*machine)(sem_t *, clockid_t, const struct timespec *);
    struct timespec moved = is_wall(clock) ? back(deadline) : *deadline;
    if (!machine) machine = (int (*)(sem_t *, clockid_t, const struct timespec *))next("sem_clockwait", NULL);
    return machine(semaphore, clock, &moved);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline) {
    static int (*machine)(pthread_mutex_t *, const struct timespec *);
    struct timespec moved = back(deadline);
    if (!machine) machine = (int (*)(pthread_mutex_t *, const struct timespec *))next("pthread_mutex_timedlock", NULL);
    return machine(mutex, &moved);
}

static long long seconds_from(clockid_t clock, const struct timespec *deadline) {
    struct timespec now;
    clock_gettime(clock, &now);
    return llabs((long long)deadline->tv_sec - (long long)now.tv_sec);
}

/* The condition alone knows which of the two clocks its deadlines are of. The one that the deadline is near to is meant. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
    static int (*machine)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    int of_wall = seconds_from(CLOCK_REALTIME, deadline) < seconds_from(CLOCK_MONOTONIC, deadline);
    struct timespec moved = of_wall ? back(deadline) : *deadline;
    if (!machine)
        machine = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))next("pthread_cond_timedwait", "GLIBC_2.3.2");
    return machine(condition, mutex, &moved);
}

int pthread_cond_clockwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
                           const struct timespec *restrict deadline) {
    static int (*machine)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    struct timespec moved = is_wall(clock) ? back(deadline) : *deadline;
    if (!machine)
        machine = (int (*)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *))next("pthread_cond_clockwait", NULL);
    return machine(condition, mutex, clock, &moved);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    static int (*machine)(clockid_t, int, const struct timespec *, struct timespec *);
    struct timespec moved = is_wall(clock) && flags & TIMER_ABSTIME ? back(wanted) : *wanted;
    if (!machine) machine = (int (*)(clockid_t, int, const struct timespec *, struct timespec *))next("clock_nanosleep", NULL);
    return machine(clock, flags, &moved, left);
}
