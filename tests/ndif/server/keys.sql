-- The tables that NDIF's API reads keys from, with two keys: a stranger's, and one whose requests need no sandbox.
CREATE TABLE users (user_id text PRIMARY KEY, email text);
CREATE TABLE keys (key_id uuid PRIMARY KEY, user_id text);
CREATE TABLE user_tags (user_tag_id int PRIMARY KEY, name text);
CREATE TABLE key_user_tag_assignments (key_id uuid, user_tag_id int);
INSERT INTO users VALUES ('stranger', 'stranger@example.org');
INSERT INTO users VALUES ('friend', 'friend@example.org');
INSERT INTO keys VALUES (:'key', 'stranger'), (:'trusted', 'friend');
INSERT INTO user_tags VALUES (1, 'trusted');
INSERT INTO key_user_tag_assignments VALUES (:'trusted', 1);
