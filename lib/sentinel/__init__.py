"""The sentinel: a daemon per node that tells Pacemaker of a failure when it happens, not at the next poll."""
