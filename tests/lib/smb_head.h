#pragma once
/* A request header of 64 bytes in hexadecimal, in front of the bodies that the codec tests write
 * out: no flags, MessageId 5, TreeId 1, SessionId 0x100000000019. `command`: two digits. */
#define SMB_HEAD(command)                                                                          \
    "FE534D42 4000 0100 00000000" command "00 0800 00000000 00000000 0500000000000000"             \
    "00000000 01000000 1900000000100000 00000000000000000000000000000000"
