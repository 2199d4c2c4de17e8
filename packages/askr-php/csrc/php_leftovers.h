#ifndef ASKR_PHP_LEFTOVERS_H
#define ASKR_PHP_LEFTOVERS_H

/*
 * Worker mode: request state of extensions whose RSHUTDOWN and RINIT would do too much (ext/standard also gives up putenv() and shutdown functions) or too little
 * (ext/session forgets a save handler that boot has set, and keeps the choice of one that a request made).
 */

/* Notes what boot has set; before boot's request is given up. */
void askr_leftovers_keep(void);
/* Puts back what a request has changed; when the next one begins and its headers are not sent. */
void askr_leftovers_renew(void);
/* Frees what a request has left; when it is over. */
void askr_leftovers_clear(void);

#endif
