// Preloaded into a program: writes each address it connects or sends to, and each name it looks up, as one line to
// the file that WATCH_CONNECTS names. Everything goes on as it would.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what, const char *name, unsigned port) {
  const char *path = getenv("WATCH_CONNECTS");
  char line[600];
  const int size = snprintf(line, sizeof line, "%s %s %u\n", what, name, port);
  const int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file < 0 || size <= 0 || write(file, line, (size_t)size) != size) abort();
  close(file);
}

static void note_address(const char *what, const struct sockaddr *to) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (!to) return;
  if (to->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)to;
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    note(what, text, ntohs(in->sin_port));
  } else if (to->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)to;
    inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    note(what, text, ntohs(in->sin6_port));
  }
}

int connect(int fd, const struct sockaddr *to, socklen_t size) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  note_address("connect", to);
  return real(fd, to, size);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
  ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
  note_address("send", to);
  return real(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
  note_address("send", message->msg_name);
  return real(fd, message, flags);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
  note("lookup", name ? name : "?", 0);
  return real(name, service, hints, out);
}
