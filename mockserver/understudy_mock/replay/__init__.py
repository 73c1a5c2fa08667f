"""The replay: a world that plays a recording, job by job."""
