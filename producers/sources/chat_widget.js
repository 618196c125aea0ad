/* The widget of Deskstream's live chat. */
