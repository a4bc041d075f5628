"""What the mock answers to a request, endpoint by endpoint: workflows as on 1.12.1, chat-type apps as on 1.14.2.

requests    what every endpoint is given, and what it answers with: JSON, event streams, connections that are cut
calls       runs and turns: started, answered, followed, stopped, looked up; forms that they wait for
resources   what surrounds them: conversations, messages, variables, feedback, annotations, speech, files

An endpoint takes an authenticated request and returns a response, or raises `ApiError`.
"""
