"""Replay: a world that plays a recording, job by job.

Words of this room:
recorded job       a recorded submit, with the life of the job where it made one
recorded state     what one kind of call answered about a job, and since when
failed poll        a poll whose answer says nothing of its job
recorded callback  one callback; repeated attempts count once
recorded jobs      all that a recording can play
replayed job       a recorded job as one caller meets it here, under an id of its own
call name          an operation's name, shared by the operations that are only another path to it
lookup             a call about no job here: the recorded answers come in their order
miss               a call that the recording does not answer
"""
