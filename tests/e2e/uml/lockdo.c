/* A lock over a whole file, by fcntl(), for scripts:
 *
 *   lockdo FILE COMMAND...   waits for the lock and does the command with it held
 *   lockdo FILE              succeeds when the lock could be taken at once */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = argc > 1 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || fcntl(fd, argc > 2 ? F_SETLKW : F_SETLK, &lock) != 0) {
        perror("lockdo");
        return 1;
    }
    if (argc == 2)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(argv[2], argv + 2);
        _exit(127);
    }
    int status = 1;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
