"""Does a run end as it should at a signal, at any instant?"""
