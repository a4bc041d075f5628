"""What the mock does for apps that answer a query: chatflows, chatbots, agents and text generators, as on 1.14.2.

    turns        one turn, event by event, of apps without a graph: their messages, thoughts, files and speech
    chatflow     one turn of a chatflow: a run of its graph that says what Answer nodes have to say
    payloads     the rules for what requests bring along
    start        the endpoints that start and stop turns
    pages        the endpoints of conversations, their messages and variables
    extras       the endpoints of feedback, suggested questions, annotations, speech and files

What is remembered of it all are the records of `difygen.mock.conversations`.
"""
