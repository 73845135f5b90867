/*
 * A TAP device of Linux.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER 14

static void put_mac(unsigned char *bytes, uint64_t mac)
{
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(mac >> (40 - 8 * i));
}

static uint64_t get_mac(const unsigned char *bytes)
{
    uint64_t mac = 0;
    for (int i = 0; i < 6; i++)
        mac = mac << 8 | bytes[i];
    return mac;
}

/* Settings of devices are made through any socket. */
static int device_ioctl(unsigned long request, struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ioctl(fd, request, ifr);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static void name_device(struct ifreq *ifr, const struct tap *tap)
{
    memset(ifr, 0, sizeof *ifr);
    memcpy(ifr->ifr_name, tap->name, sizeof ifr->ifr_name);
}

static int set_mac(const struct tap *tap, uint64_t mac)
{
    struct ifreq ifr;
    name_device(&ifr, tap);
    ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    put_mac((unsigned char *)ifr.ifr_hwaddr.sa_data, mac);
    return device_ioctl(SIOCSIFHWADDR, &ifr);
}

static int set_up(const struct tap *tap)
{
    struct ifreq ifr;
    name_device(&ifr, tap);
    if (device_ioctl(SIOCGIFFLAGS, &ifr) != 0)
        return -1;
    ifr.ifr_flags |= IFF_UP;
    return device_ioctl(SIOCSIFFLAGS, &ifr);
}

int tap_set_mtu(struct tap *tap, unsigned int mtu)
{
    if (mtu == tap->mtu)
        return 0;
    struct ifreq ifr;
    name_device(&ifr, tap);
    ifr.ifr_mtu = (int)mtu;
    if (device_ioctl(SIOCSIFMTU, &ifr) != 0)
        return -1;
    tap->mtu = mtu;
    return 0;
}

int tap_open(struct tap *tap, uint64_t mac, unsigned int mtu)
{
    memset(tap, 0, sizeof *tap);
    tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap->fd < 0)
        return -1;
    struct ifreq ifr;
    memset(&ifr, 0, sizeof ifr);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "zt%%d");
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(tap->fd, TUNSETIFF, &ifr) == 0) {
        memcpy(tap->name, ifr.ifr_name, sizeof tap->name);
        /* The MAC first: a device that is up has derived its link-local address from it. */
        if (set_mac(tap, mac) == 0 && tap_set_mtu(tap, mtu) == 0 && set_up(tap) == 0)
            return 0;
    }
    int error = errno;
    tap_close(tap);
    errno = error;
    return -1;
}

void tap_close(struct tap *tap)
{
    if (tap->fd >= 0)
        close(tap->fd);
    tap->fd = -1;
}

/* The bytes of an IP address, and how many. */
static const unsigned char *ip_of(const struct sockaddr_storage *address, unsigned int *len)
{
    if (address->ss_family == AF_INET6) {
        *len = 16;
        return (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    }
    *len = address->ss_family == AF_INET ? 4 : 0;
    return (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
}

static unsigned int prefix_of(const struct sockaddr_storage *address)
{
    /* The port is at the same place in both families. */
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

/* A request of rtnetlink about one address of a device. */
struct address_request {
    struct nlmsghdr head;
    struct ifaddrmsg message;
    char attributes[128];
};

static void add_attribute(struct address_request *request, unsigned short type, const void *data, unsigned int len)
{
    struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(len);
    memcpy(RTA_DATA(attribute), data, len);
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

/* Sends a request to the kernel and waits for its verdict. */
static int ask_kernel(struct address_request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -1;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr verdict;
        char request[512];
    } answer;
    memset(&answer, 0, sizeof answer);
    int error = EIO;
    if (send(fd, request, request->head.nlmsg_len, 0) > 0 && recv(fd, &answer, sizeof answer, 0) > 0
        && answer.head.nlmsg_type == NLMSG_ERROR)
        error = -answer.verdict.error;
    close(fd);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* ioctl cannot do this: it knows one IPv4 address per name. */
static int change_address(const struct tap *tap, const struct sockaddr_storage *address, int add)
{
    struct address_request request;
    memset(&request, 0, sizeof request);
    request.head.nlmsg_len = NLMSG_LENGTH(sizeof request.message);
    request.head.nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    request.message.ifa_family = (unsigned char)address->ss_family;
    request.message.ifa_prefixlen = (unsigned char)prefix_of(address);
    request.message.ifa_index = if_nametoindex(tap->name);
    /* The controller sees to it that nobody else has the address: no need to wait for signs of a duplicate. */
    request.message.ifa_flags = IFA_F_NODAD;
    unsigned int len;
    const unsigned char *ip = ip_of(address, &len);
    if (len == 0) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    add_attribute(&request, IFA_LOCAL, ip, len);
    add_attribute(&request, IFA_ADDRESS, ip, len);
    return ask_kernel(&request);
}

static int has_address(const struct sockaddr_storage *list, unsigned int count, const struct sockaddr_storage *one)
{
    unsigned int len, other_len;
    const unsigned char *ip = ip_of(one, &len);
    for (unsigned int i = 0; i < count; i++) {
        const unsigned char *other = ip_of(&list[i], &other_len);
        if (len == other_len && memcmp(ip, other, len) == 0 && prefix_of(one) == prefix_of(&list[i]))
            return 1;
    }
    return 0;
}

int tap_set_addresses(struct tap *tap, const struct sockaddr_storage *addresses, unsigned int count)
{
    int result = 0;
    if (count > TAP_MAX_ADDRESSES)
        count = TAP_MAX_ADDRESSES;
    for (unsigned int i = 0; i < tap->address_count; i++) {
        if (!has_address(addresses, count, &tap->addresses[i]))
            result |= change_address(tap, &tap->addresses[i], 0);
    }
    for (unsigned int i = 0; i < count; i++) {
        if (!has_address(tap->addresses, tap->address_count, &addresses[i]))
            result |= change_address(tap, &addresses[i], 1);
    }
    if (count > 0)
        memcpy(tap->addresses, addresses, count * sizeof *addresses);
    tap->address_count = count;
    return result;
}

int tap_contains(const struct tap *tap, const struct sockaddr_storage *address)
{
    unsigned int len, other_len;
    const unsigned char *ip = ip_of(address, &len);
    for (unsigned int i = 0; i < tap->address_count; i++) {
        const unsigned char *network = ip_of(&tap->addresses[i], &other_len);
        unsigned int bits = prefix_of(&tap->addresses[i]);
        if (len == 0 || len != other_len || bits > len * 8 || memcmp(ip, network, bits / 8) != 0)
            continue;
        if (bits % 8 == 0 || (ip[bits / 8] ^ network[bits / 8]) >> (8 - bits % 8) == 0)
            return 1;
    }
    return 0;
}

int tap_read(const struct tap *tap, struct tap_frame *frame)
{
    unsigned char head[HEADER];
    struct iovec parts[2] = {{head, sizeof head}, {frame->payload, sizeof frame->payload}};
    ssize_t got = readv(tap->fd, parts, 2);
    if (got < HEADER)
        return -1;
    frame->destination = get_mac(head);
    frame->source = get_mac(head + 6);
    frame->ether_type = (unsigned int)head[12] << 8 | head[13];
    frame->length = (unsigned int)got - HEADER;
    return 0;
}

int tap_write(const struct tap *tap, uint64_t source, uint64_t destination, unsigned int ether_type,
              const void *payload, unsigned int length)
{
    unsigned char head[HEADER];
    put_mac(head, destination);
    put_mac(head + 6, source);
    head[12] = (unsigned char)(ether_type >> 8);
    head[13] = (unsigned char)ether_type;
    struct iovec parts[2] = {{head, sizeof head}, {(void *)payload, length}};
    return writev(tap->fd, parts, 2) < 0 ? -1 : 0;
}
