/* Clients that do not acknowledge the break of a lease in time: the leader's clock says so. */
#include "coordinator/service/service_int.h"

void breaks_sweep(struct coordinator *c)
{
    struct request *r =
        meta_break_deadline(c->meta) <= c->filetime ? request_new(c, REQUEST_INTERNAL, 0, 0) : NULL;
    if (r == NULL)
        return;
    Fl__BreakTimeout timeout = FL__BREAK_TIMEOUT__INIT;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_BREAK_TIMEOUT;
    command.break_timeout = &timeout;
    propose(c, r, &command); /* proposed again until it is applied: it counts once */
}
