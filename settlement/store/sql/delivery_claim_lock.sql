-- Two claims at once would not see each other.
LOCK TABLE roster_delivery IN SHARE ROW EXCLUSIVE MODE
