"""What the mock answers to a request, endpoint by endpoint: workflows as on 1.12.1, chat-type apps as on 1.14.2.

endpoints    what every endpoint is given; those of workflow runs, and those that all apps have
start        turns of chatflows, chatbots, agents and text generators: started, answered, stopped
chat         what surrounds turns: conversations, messages, variables, feedback, annotations, speech
payloads     the rules for what requests of chat-type apps bring along
streams      event streams on the wire
"""
