/* URLs as most are: they are read here, by one look at each byte, where the standard's machine (prelude/url_parser.js) takes a thousand times
 * the work. */
#ifndef TOOLWRIGHT_PLAIN_URL_H
#define TOOLWRIGHT_PLAIN_URL_H

#include <stdbool.h>

#include "abi.h"

/* The parts of a URL under http or https. What is not there has no `start`; a part may be there and empty. */
struct plain_url {
    struct text scheme;
    struct text host;
    /* Not there where it is the scheme's own. */
    struct text digits;
    uint32_t port;
    /* Without the slash that it begins with. */
    struct text path;
    struct text query;
    struct text fragment;
    /* Whether the text is what the standard would write for it. */
    bool is_normal;
};

/* False where it is no plain URL. A plain one has a name in lower case whose last label begins with a letter, so that it is no address, and
 * nothing in path, query and fragment that the standard would write otherwise. */
bool plain_url_read(struct text url, struct plain_url *parts);

#endif
